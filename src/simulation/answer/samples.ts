import { isObject } from '../exchange.ts';
import type { ToolCall } from './wanted.ts';

/** JSON text that fits the `response_format` of a call; undefined if the call has none. */
export function structuredText(format: unknown): string | undefined {
  if (!isObject(format) || typeof format['type'] !== 'string' || !format['type'].startsWith('json')) return undefined;
  const wrapped = format['json_schema'];
  const schema = isObject(wrapped) ? wrapped['schema'] : format['value'];
  return JSON.stringify(isObject(schema) ? sampleOf(schema) : { answer: 'yes' });
}

/** A value that fits a plain JSON schema: types, properties, enums; other keywords are ignored. */
function sampleOf(schema: Record<string, unknown>): unknown {
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  if ('const' in schema) return schema['const'];
  switch (schema['type']) {
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
      return 1;
    case 'boolean':
      return true;
    case 'array':
      return isObject(schema['items']) ? [sampleOf(schema['items'])] : [];
    case 'null':
      return null;
    default: {
      const properties = isObject(schema['properties']) ? schema['properties'] : {};
      const entries = Object.entries(properties);
      return Object.fromEntries(entries.map(([key, part]) => [key, isObject(part) ? sampleOf(part) : null]));
    }
  }
}

/**
 * The tool that a chat calls: the one that `tool_choice` names, otherwise the first. No tool if the choice is `none`, or
 * if it is left to the model and the last message is not the user's, because then a tool has just answered.
 */
export function toolCall(body: Readonly<Record<string, unknown>>): ToolCall | undefined {
  const { tools, tool_choice: choice = 'auto', messages } = body;
  if (!Array.isArray(tools) || choice === 'none') return undefined;
  const functions = tools.flatMap((tool: unknown) =>
    isObject(tool) && isObject(tool['function']) ? [tool['function']] : [],
  );
  const last: unknown = Array.isArray(messages) ? messages.at(-1) : undefined;
  if (choice === 'auto' && isObject(last) && last['role'] !== 'user') return undefined;
  const wanted = isObject(choice) && isObject(choice['function']) ? choice['function']['name'] : undefined;
  const called = functions.find(({ name }) => wanted === undefined || name === wanted);
  if (called === undefined) return undefined;
  const parameters = isObject(called['parameters']) ? called['parameters'] : {};
  return { name: String(called['name']), args: JSON.stringify(sampleOf(parameters)) };
}
