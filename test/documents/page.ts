// Parts of a Markdown page for the tests that hold pages to the code: a section, the rows of its tables, its fenced blocks.

/**
 * The text under a heading of the second level, up to the next one.
 * @throws Error when the page has no such heading
 */
export function sectionOf(page: string, heading: string): string {
  const [, after] = page.split(`\n## ${heading}\n`)
  if (after === undefined) throw new Error(`the page has no section "${heading}"`)
  return after.split('\n## ', 1)[0] ?? ''
}

/** The cells of the rows that begin with code, without head and rule. */
export function tableRows(section: string): string[][] {
  const lines = section.split('\n').filter((line) => line.startsWith('| `'))
  return lines.map((line) =>
    line
      .slice(2, -2)
      .split(/ \| ?/)
      .map((cell) => cell.trim()),
  )
}

/**
 * The first fenced block of a language.
 * @throws Error when there is none
 */
export function blockOf(section: string, language: string): string {
  const [, block] = new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section) ?? []
  if (block === undefined) throw new Error(`the section has no ${language} block`)
  return block
}

/** A text as code in Markdown; nothing for none. */
export function codeText(text: string | undefined): string {
  return text ? `\`${text}\`` : ''
}

/** The names by which the headings of a page can be linked to, made as GitHub makes them. */
export function anchorsOf(page: string): Set<string> {
  const withoutBlocks = page.replaceAll(/^```[\s\S]*?^```$/gm, '')
  const headings = [...withoutBlocks.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
