// Looking into parsed JSON whose shape nobody has checked yet: documents of services. Only own members count: a document may
// name a schema `constructor`.

export type JsonObject = Record<string, unknown>

/** Whether a value is an object with members, no list. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own member of an object; undefined where there is no object or no such member. */
export function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** A member that is an object, or an empty one. */
export function objectIn(value: unknown, name: string): JsonObject {
  const member = memberOf(value, name)
  return isObject(member) ? member : {}
}

/** A member that is a list, or an empty one. */
export function listIn(value: unknown, name: string): unknown[] {
  const member = memberOf(value, name)
  return Array.isArray(member) ? member : []
}

/** A member that is a text. */
export function textIn(value: unknown, name: string): string | undefined {
  const member = memberOf(value, name)
  return typeof member === 'string' ? member : undefined
}

/**
 * Sets a member whatever it is called: an assignment to `__proto__` would change the object and set nothing.
 * @returns the object
 */
export function withMember(object: JsonObject, name: string, value: unknown): JsonObject {
  return Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
}
