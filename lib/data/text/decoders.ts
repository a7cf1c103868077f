import type { Tokenizer as Library } from "@huggingface/tokenizers";

// Where the decoders of the library @huggingface/tokenizers do not do what those of Python's `tokenizers` do, they are given methods that do.

type Config = { readonly [key: string]: unknown };
type Decoder = { decoders?: Decoder[] };

const corrections: { readonly [type: string]: (config: Config) => { readonly decode_chain: (tokens: string[]) => string[] } } = {
  Metaspace: ({ replacement, prepend_scheme: scheme, add_prefix_space: prefixes }) => ({
    decode_chain: (tokens: string[]) =>
      tokens.map((token, i) => token.replaceAll(String(replacement ?? "\u2581"), i === 0 && scheme !== "never" && prefixes !== false ? "" : " ")),
  }),
  ByteFallback: () => ({ decode_chain: joinBytes }),
};

/** <0xE2> <0x82> <0xAC> is €; bytes that are no UTF-8 are a U+FFFD each. */
function joinBytes(tokens: readonly string[]): string[] {
  const joined: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length === 0) return;
    const text = Buffer.from(bytes).toString();
    joined.push(Buffer.from(text).equals(Buffer.from(bytes)) ? text : "\ufffd".repeat(bytes.length));
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (byte === null) {
      flush();
      joined.push(token);
    } else {
      bytes.push(parseInt(byte[1]!, 16));
    }
  }
  flush();
  return joined;
}

/**
 * Makes the decoder of a tokenizer of the library agree with Python's.
 *
 * @param config its configuration in the tokenizer.json
 */
export function correctDecoder(decoder: Library["decoder"] | Decoder | null, config: unknown): void {
  if (decoder === null || decoder === undefined || config === null || typeof config !== "object") return;
  const { type, decoders } = config as Config;
  if (type === "Sequence" && Array.isArray(decoders)) {
    decoders.forEach((each, i) => correctDecoder((decoder as Decoder).decoders![i]!, each));
    return;
  }
  const correction = corrections[String(type)];
  if (correction !== undefined) Object.assign(decoder, correction(config as Config));
}
