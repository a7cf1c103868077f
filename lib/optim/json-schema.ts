import { baseSchemas } from "./base.js";
import type { Field, Fields } from "./fields.js";
import { methods } from "./methods/index.js";
import { fieldsOf, flags } from "./options.js";
import { scheduleFields } from "./schedules.js";

// The options of `optim.create` as a JSON schema: from the same tables that check them.

type Json = Record<string, unknown>;

/** Options of every method, told apart by `method`. Schedules may leave `totalSteps` out. */
export function optimizerSchema(): Json {
  const schedules = ofSchedules();
  const shared: Record<(typeof flags)[number], Json> = {
    sameNoise: { type: "boolean", default: true },
    nonFinite: { enum: ["throw", "skip"], default: "throw" },
    lossScale: { anyOf: [{ type: "number", exclusiveMinimum: 0 }, { const: "dynamic" }, { type: "object" }], default: 1 },
    accumulate: { enum: ["full", "shard"], default: "full" },
    lrSchedule: { oneOf: schedules.filter(({ name }) => name !== "proportional").map(({ json }) => json) },
    rhoSchedule: { oneOf: schedules.map(({ json }) => json) },
  };
  const base = { oneOf: Object.entries(baseSchemas()).map(([name, { fields, pairs }]) => baseSchema(name, fields, pairs)) };
  const oneOf = Object.entries(methods).map(([method, definition]) => {
    const { rhoSchedule, ...others } = shared;
    const properties = { method: { const: method }, base, ...ofFields(fieldsOf(definition)), ...others, ...(definition.rho === null ? {} : { rhoSchedule }) };
    return { type: "object", properties, required: ["method", "base", ...required(fieldsOf(definition))], additionalProperties: false };
  });
  return { type: "object", oneOf };
}

function baseSchema(name: string, fields: Fields, pairs: Readonly<Record<string, readonly [string, string]>>): Json {
  const parts = new Set(Object.values(pairs).flat());
  const single = Object.fromEntries(Object.entries(fields).filter(([key]) => !parts.has(key)));
  const double = Object.entries(pairs).map(([key, pair]) => [key, { type: "array", prefixItems: pair.map((part) => ofField(fields[part]!)), minItems: 2, maxItems: 2 }]);
  return { type: "object", properties: { name: { const: name }, ...ofFields(single), ...Object.fromEntries(double) }, required: ["name"], additionalProperties: false };
}

function ofSchedules(): { name: string; json: Json }[] {
  return Object.entries(scheduleFields).map(([name, fields]) => {
    const milestones = name === "step" ? { milestones: { type: "array", items: { type: "integer", minimum: 0 } } } : {};
    const needed = required(fields).filter((key) => key !== "totalSteps");
    return { name, json: { type: "object", properties: { name: { const: name }, ...ofFields(fields), ...milestones }, required: ["name", ...needed], additionalProperties: false } };
  });
}

const ofFields = (fields: Fields): Json => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, ofField(field)]));

const required = (fields: Fields): string[] => Object.entries(fields).flatMap(([name, field]) => (field.default === undefined && field.optional !== true ? [name] : []));

function ofField(field: Field): Json {
  const { default: value } = field;
  if (field.boolean === true) return { type: "boolean", ...(value !== undefined && { default: value === 1 }) };
  if (field.choices !== undefined) return { enum: field.choices, ...(value !== undefined && { default: field.choices[value] }) };
  const type = field.integer === true ? "integer" : "number";
  return {
    type: field.nullable === true ? [type, "null"] : type,
    ...(field.min !== undefined && { minimum: field.min }),
    ...(field.max !== undefined && { maximum: field.max }),
    ...(field.above !== undefined && { exclusiveMinimum: field.above }),
    ...(field.below !== undefined && { exclusiveMaximum: field.below }),
    ...(value !== undefined && { default: Number.isNaN(value) ? null : value }),
  };
}
