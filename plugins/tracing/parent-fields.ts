// The fields by which a service is told whose child its span is. What a client said of its own parent is replaced, not added to.

/**
 * Puts fields in the place of those that have their names.
 * @param list names and values in turn
 */
export function replaceFields(list: string[], fields: Readonly<Record<string, string>>): void {
  for (let i = list.length - 2; i >= 0; i -= 2) {
    if (Object.hasOwn(fields, (list[i] ?? '').toLowerCase())) list.splice(i, 2)
  }
  for (const [name, value] of Object.entries(fields)) list.push(name, value)
}
