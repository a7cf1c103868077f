// Signatures as TypeScript.

const WIDTH = 130;

/** Words that cannot name a parameter. */
const RESERVED = new Set(["in", "var", "default", "function", "new", "this", "with", "for", "if", "else", "do", "while", "return", "switch", "case", "delete"]);

const FACTORY = new Set(["dtype", "layout", "device", "pinMemory"]);

const typeText = ({ types }) => types.join(" | ");

/** @param {import("./signature.js").Parameter} parameter */
function positionalText(parameter, optional) {
  const name = RESERVED.has(parameter.name) ? `${parameter.name}_` : parameter.name;
  return `${name}${optional ? "?" : ""}: ${typeText(parameter)}`;
}

/** Members of an object type. */
function membersText(parameters, optional = (parameter) => parameter.optional) {
  return `{ ${parameters.map((parameter) => `${parameter.name}${optional(parameter) ? "?" : ""}: ${typeText(parameter)}`).join("; ")} }`;
}

/** An object type; where a tensor would pass for such an object, one that excludes tensors. */
function objectText(parameters, tensorProperties) {
  const inTensor = ({ name }) => tensorProperties.has(name);
  const text = membersText(parameters);
  return parameters.every((parameter) => parameter.optional || inTensor(parameter)) && parameters.some(inTensor) ? `Named<${text}>` : text;
}

/**
 * The type of the object that names arguments.
 *
 * @param {import("./signature.js").Parameter[]} parameters those that it names
 * @param {import("./signature.js").Signature} signature
 * @param {Set<string>} tensorProperties
 */
function optionsText(parameters, { factory, outs, outsAlone }, tensorProperties) {
  if (factory) {
    const own = parameters.filter(({ name }) => !FACTORY.has(name));
    const text = own.length === 0 ? "FactoryOptions" : `FactoryOptions & ${membersText(own)}`;
    if (outs.length === 0) return text;
    return outsAlone ? `${text} | ${membersText([...own, ...outs])}` : `${text} & ${membersText(outs, () => true)}`;
  }
  if (outs.length === 0) return objectText(parameters, tensorProperties);
  if (parameters.length === 0) return membersText(outs);
  if (outs.length === 1) return objectText([...parameters, { ...outs[0], optional: true }], tensorProperties);
  return `${objectText(parameters, tensorProperties)} & AllOrNone<${membersText(outs)}>`;
}

/**
 * One signature as call signatures: all arguments by position, or the last ones by name, from none of those that can be
 * named to all.
 *
 * @param {string} name
 * @param {import("./signature.js").Signature} signature
 * @param {Set<string>} tensorProperties what a tensor has, too: an object of these alone could be a tensor, which names nothing
 * @returns {string[]} lines
 */
export function signatureLines(name, signature, tensorProperties) {
  const { schemas, positional, named, outs, returns } = signature;
  const lines = schemas.length === 1 ? [`/** \`${schemas[0]}\` */`] : ["/**", ...schemas.map((schema) => ` * - \`${schema}\``), " */"];
  for (let count = positional.length; count >= 0; count--) {
    const byName = [...positional.slice(count), ...named];
    const all = count === positional.length;
    // Leaving out optional arguments is what the first line is for: in the others the object has to be there.
    const needed = !all || byName.some(({ optional }) => !optional);
    const parameters = positional.slice(0, count).map((parameter) => positionalText(parameter, parameter.optional && !needed));
    if (byName.length + outs.length > 0) parameters.push(`options${needed ? "" : "?"}: ${optionsText(byName, signature, tensorProperties)}`);
    lines.push(`${name}(${parameters.join(", ")}): ${returns};`);
  }
  return lines.map((line) => `  ${line}`);
}

/** An object literal, as many entries in a line as fit. */
export function mapText(name, entries) {
  const lines = [];
  let line = " ";
  for (const [key, value] of entries) {
    const entry = ` ${key}: ${JSON.stringify(value)},`;
    if (line.length + entry.length > WIDTH) {
      lines.push(line);
      line = " ";
    }
    line += entry;
  }
  return [`export const ${name}: Readonly<Record<string, string>> = {`, ...lines, line, "};"].join("\n");
}
