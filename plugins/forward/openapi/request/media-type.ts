// Content types, read strictly (RFC 9110 sections 5.6.6 and 8.3.1): what two readers could read differently is read as
// nothing. The field itself is forwarded as it came.

export interface MediaType {
  /** `type/subtype`, in lower case. */
  essence: string
  /** Names and values in lower case. */
  parameters: ReadonlyMap<string, string>
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const parameter = `(${token})=(${token}|"[^"\\\\\\x00-\\x1f\\x7f]*")`
// RFC 9110 section 5.6.6: between semicolons a parameter may be missing. A blank can be read as one part only, so that no field
// takes long.
const whole = new RegExp(`^(${token}/${token})[ \\t]*((?:;[ \\t]*(?:${parameter}[ \\t]*)?)*)(?<![ \\t])$`)
const each = new RegExp(`;[ \\t]*${parameter}`, 'g')

/**
 * Reads a Content-Type field.
 * @returns undefined for what is not one: blanks around it, text behind it, a parameter named twice, more than one field
 */
export function mediaTypeOf(field: string): MediaType | undefined {
  const [, essence, parameters = ''] = whole.exec(field) ?? []
  if (essence === undefined) return undefined
  const named = new Map<string, string>()
  for (const [, name = '', value = ''] of parameters.matchAll(each)) {
    if (named.has(name.toLowerCase())) return undefined
    named.set(name.toLowerCase(), value.replaceAll('"', '').toLowerCase())
  }
  return { essence: essence.toLowerCase(), parameters: named }
}

/** Whether a media type, or a range such as `text/*`, takes in an essence. */
export function takesIn(range: string, essence: string): boolean {
  if (range === essence || range === '*/*') return true
  return range.endsWith('/*') && essence.startsWith(range.slice(0, -1))
}

/** Whether a body of this type is JSON (RFC 8259, RFC 6839). */
export function isJsonType(essence: string): boolean {
  return essence === 'application/json' || essence.endsWith('+json')
}
