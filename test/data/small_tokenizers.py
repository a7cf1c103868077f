# Small tokenizers of each kind, trained on the text in inputs["text"], and what they make of inputs["texts"].
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers


def wordpiece(lines):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(vocab_size=600, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer, {"tokenizer_class": "BertTokenizer", "pad_token": "[PAD]", "model_max_length": 64}


def cased_wordpiece(lines):
    tokenizer, config = wordpiece(lines)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer, {**config, "truncation_side": "left", "padding_side": "left"}


def byte_level(lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"tokenizer_class": "GPT2Tokenizer", "pad_token": "<|endoftext|>"}


def roberta(lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    return tokenizer, {"tokenizer_class": "RobertaTokenizer", "pad_token": "<pad>"}


def unigram(lines):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" {2,}", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special = ["<pad>", "</s>", "<unk>"]
    tokenizer.train_from_iterator(lines, trainers.UnigramTrainer(vocab_size=500, special_tokens=special, unk_token="<unk>", show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tokenizer, {"tokenizer_class": "T5Tokenizer", "pad_token": "<pad>"}


def byte_fallback(lines):
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    words = [word for line in lines for word in line.split()]
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(vocab_size=800, special_tokens=special, show_progress=False))
    return tokenizer, {"tokenizer_class": "LlamaTokenizer"}


kinds = [wordpiece, cased_wordpiece, byte_level, roberta, unigram, byte_fallback]


def make(folder, lines):
    import json, os
    found = {}
    for kind in kinds:
        tokenizer, config = kind(lines)
        place = os.path.join(folder, kind.__name__)
        os.makedirs(place)
        tokenizer.save(os.path.join(place, "tokenizer.json"))
        with open(os.path.join(place, "tokenizer_config.json"), "w") as file:
            json.dump(config, file)
        found[kind.__name__] = tokenizer
    return found


def told(encoding):
    return {"ids": encoding.ids, "typeIds": encoding.type_ids, "attentionMask": encoding.attention_mask, "tokens": encoding.tokens, "offsets": encoding.offsets}


# Below: tokenizers with parts of their own, put together by hand rather than trained, so that they have tokens for awkward text, too.


def charsmap(table):
    import base64
    return normalizers.Precompiled(base64.b64decode(table))


def pieces(texts, mark=""):
    """A vocabulary with all short strings that come often in the texts, and their logarithms of probability: many are equal."""
    import collections, math
    counts = collections.Counter()
    for text in texts:
        for word in text.replace(" ", f" {mark}").split(" "):
            for length in range(1, 5):
                counts.update(word[i : i + length] for i in range(len(word) - length + 1))
    total = sum(counts.values())
    kept = [(piece, count) for piece, count in counts.items() if count > 1 and not piece.isspace()]
    return [(piece, round(math.log(count / total), 1)) for piece, count in sorted(kept)]


def special(tokenizer, *contents):
    tokenizer.add_special_tokens([AddedToken(content, normalized=False) for content in contents])


def t5(texts, table):
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + pieces(texts, "▁")
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2))
    tokenizer.normalizer = charsmap(table)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special(tokenizer, "<pad>", "</s>", "<unk>", *[f"<extra_id_{i}>" for i in range(3)])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def mt5(texts, table):
    tokenizer = t5(texts, table)
    tokenizer.normalizer = normalizers.Sequence([charsmap(table), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    return tokenizer


def byte_fallback_unigram(texts, table):
    vocabulary = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)] + [(f"<0x{byte:02X}>", 0.0) for byte in range(256)] + pieces([text for text in texts if text.isascii()], "▁")
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), charsmap(table), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never")])
    special(tokenizer, "<unk>", "<s>", "</s>")
    return tokenizer


def albert(texts, table):
    tokenizer = t5([text.lower() for text in texts], table)
    parts = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), charsmap(table)]
    tokenizer.normalizer = normalizers.Sequence(parts)
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False)])
    return tokenizer


def words(texts, parts, normalizer=None):
    vocabulary = {piece: i for i, (piece, _) in enumerate(pieces(texts))}
    for piece in [piece for piece in vocabulary if len(piece) < 4]:
        vocabulary.setdefault(f"##{piece}", len(vocabulary))
    vocabulary.setdefault("[UNK]", len(vocabulary))
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=20))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return tokenizer


def bert(texts, table):
    return words([text.lower() for text in texts], [pre_tokenizers.BertPreTokenizer()], normalizers.BertNormalizer(lowercase=True))


def whitespace(texts, table):
    tokenizer = words(texts, [pre_tokenizers.Whitespace()], normalizers.Sequence([normalizers.Strip(), normalizers.Lowercase()]))
    tokenizer.add_tokens([AddedToken("THE", normalized=True), AddedToken("sea", single_word=True, normalized=False), AddedToken("é", normalized=False, rstrip=True)])
    return tokenizer


def punctuated(texts, table):
    parts = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Split("e", "merged_with_previous")]
    return words(texts, parts)


def digits(texts, table):
    parts = [pre_tokenizers.Split(" ", "merged_with_next"), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Split(Regex("[aeiou]+"), "contiguous", invert=True)]
    return words(texts, parts)


def byte_pairs(texts, table):
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    split = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    special(tokenizer, "<|begin|>", "<|end|>")
    tokenizer.add_tokens([AddedToken("  ", normalized=False), AddedToken("!", lstrip=True, rstrip=True)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1", special_tokens=[("<|begin|>", tokenizer.token_to_id("<|begin|>"))])])
    return tokenizer


composed = [t5, mt5, byte_fallback_unigram, albert, bert, whitespace, punctuated, digits, byte_pairs]
