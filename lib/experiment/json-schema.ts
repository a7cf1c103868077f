import { z } from "zod";
import { optimizerSchema } from "../optim/json-schema.js";
import { schema } from "./schema.js";

type Json = Record<string, unknown>;

/** The JSON schema of configurations, draft 2020-12. Functions are for TypeScript: they are not in it. */
export function jsonSchema(): Json {
  const made = z.toJSONSchema(schema, {
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema: json }) => {
      if (zodSchema._zod.def.type === "custom") json.not = {};
      if (json.anyOf !== undefined) {
        json.anyOf = json.anyOf.filter((each) => !isNothing(each));
        if (json.anyOf.length === 1) Object.assign(json, json.anyOf[0], { anyOf: undefined });
      }
    },
  }) as Json;
  const properties = made["properties"] as Record<string, Json>;
  const written = Object.fromEntries(Object.entries(properties).filter(([, each]) => !isNothing(each)));
  const { description } = properties["optimizer"]!;
  return { ...made, title: "A configuration of steppe", properties: { ...written, optimizer: { description, ...optimizerSchema() } } };
}

function isNothing(json: object): boolean {
  const { not, additionalProperties, items } = json as { not?: unknown; additionalProperties?: unknown; items?: unknown };
  if (not !== undefined) return true;
  return [additionalProperties, items].some((inner) => typeof inner === "object" && inner !== null && (inner as { not?: unknown }).not !== undefined);
}
