// The validator of what these routes take, and every other one of the gateway's own: a value is what it says it is, and nothing is coerced, dropped or filled in before it
// is checked. Fastify's own does all three unless an app says otherwise, and turns a number into a password.
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

const ajv = new Ajv({ coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false })
addFormats.default(ajv)

/** Compiles a schema for Fastify. */
export function compileStrictly(schema: object) {
  return ajv.compile(schema)
}
