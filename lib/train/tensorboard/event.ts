// The few messages of TensorBoard's event files (tensorboard/compat/proto/event.proto, summary.proto) in protocol buffers' wire
// format. Numbers in brackets below are the fields' in those files.

const varint = 0;
const fixed64 = 1;
const bytes = 2;
const fixed32 = 5;

function integer(value: number): Buffer {
  const out: number[] = [];
  // In sevens of bits, the lowest first. Division, as shifts end at 32 bits.
  for (; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return Buffer.from([...out, value]);
}

const field = (number: number, type: number, content: Buffer): Buffer => Buffer.concat([integer(number * 8 + type), content]);
const message = (number: number, ...fields: Buffer[]): Buffer => {
  const content = Buffer.concat(fields);
  return field(number, bytes, Buffer.concat([integer(content.length), content]));
};
const text = (number: number, value: string): Buffer => message(number, Buffer.from(value));

function float(number: number, value: number): Buffer {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return field(number, fixed32, content);
}

function double(number: number, value: number): Buffer {
  const content = Buffer.alloc(8);
  content.writeDoubleLE(value);
  return field(number, fixed64, content);
}

/** event.proto: Event { wall_time [1], step [2], one of them }. */
function event(step: number, what: Buffer): Buffer {
  return Buffer.concat([double(1, Date.now() / 1000), field(2, varint, integer(step)), what]);
}

/** The first one of a file: Event.file_version [3]. */
export function versionEvent(): Buffer {
  return event(0, text(3, "brain.Event:2"));
}

/** Event.session_log [7], SessionLog { status [1]: START }: what earlier files say of this step and later ones counts no more. */
export function startEvent(step: number): Buffer {
  return event(step, message(7, field(1, varint, integer(1))));
}

/** Event.summary [5], Summary { value [1] }, Value { tag [1], simple_value [2] }: what the scalars plugin shows. */
export function scalarsEvent(step: number, values: readonly (readonly [tag: string, value: number])[]): Buffer {
  return event(step, message(5, ...values.map(([tag, value]) => message(1, text(1, tag), float(2, value)))));
}

/**
 * Settings as the hparams plugin reads them (tensorboard/plugins/hparams/plugin_data.proto): SummaryMetadata { plugin_data [1] {
 * plugin_name [1], content [2]: HParamsPluginData { session_start_info [3] { hparams [1]: from names to google.protobuf.Value,
 * start_time_secs [5] } } } }, and a tensor that is empty.
 */
export function hparamsEvent(values: readonly (readonly [name: string, value: string | number | boolean])[]): Buffer {
  const hparams = values.map(([name, value]) => message(1, text(1, name), message(2, typeof value === "number" ? double(2, value) : typeof value === "string" ? text(3, value) : field(4, varint, integer(value ? 1 : 0)))));
  const content = message(3, ...hparams, double(5, Date.now() / 1000));
  const empty = message(8, field(1, varint, integer(1)), message(2, message(2)));
  const metadata = message(9, message(1, text(1, "hparams"), message(2, content)));
  return event(0, message(5, message(1, text(1, "_hparams_/session_start_info"), empty, metadata)));
}

/**
 * Value { tag [1], tensor [8], metadata [9] }, TensorProto { dtype [1]: string, tensor_shape [2]: one number, string_val [8] },
 * SummaryMetadata { plugin_data [1] { plugin_name [1] }, data_class [4]: tensor }: what the text plugin shows, as Markdown.
 */
export function textEvent(step: number, tag: string, markdown: string): Buffer {
  const tensor = message(8, field(1, varint, integer(7)), message(2, message(2, field(1, varint, integer(1)))), text(8, markdown));
  const metadata = message(9, message(1, text(1, "text")), field(4, varint, integer(2)));
  return event(step, message(5, message(1, text(1, tag), tensor, metadata)));
}
