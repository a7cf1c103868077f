import { InvalidArgumentError } from "commander";

/** Names of these, with commas between; none of an empty text. */
export const list = (known) => (text) => {
  const names = text === "" ? [] : text.split(",");
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`Expected some of ${known.join(", ")}.`);
  return names;
};

export const positive = (text) => {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError("Expected a positive integer.");
  return Number(text);
};
