// The lab: the same histories against products of others and Cardea, each started here and asked over HTTP. Prints a table of what
// became of owner and thief. `npm run lab -- oidc` plays only products whose adapter has the word in its name.
import { installOwnPackages } from '../test/support/processes/own-packages.ts'
import { histories, playAll } from './histories.ts'
import type { Product, ProductModule } from './product.ts'

const adapters = ['cardea.ts', 'oidc-provider.js', 'better-auth.js', 'openauth.js', 'workers-oauth-provider.js']
const words = process.argv.slice(2)
const chosen = adapters.filter((file) => words.length === 0 || words.some((word) => file.includes(word)))

// Products talk on standard output; the table is alone there.
console.log = console.error
console.info = console.error
await installOwnPackages(new URL('./', import.meta.url))
const columns: { product: Product; outcomes: string[] }[] = []
// One after the other: a product that is slow must not take another's window.
for (const file of chosen) {
  const { start }: ProductModule = await import(new URL(`products/${file}`, import.meta.url).href)
  const product = await start()
  console.error(`playing ${product.name}`)
  try {
    columns.push({ product, outcomes: await playAll(product) })
  } finally {
    await product.close()
  }
}

const row = (cells: string[]) => process.stdout.write(`| ${cells.join(' | ')} |\n`)
row(['', ...columns.map(({ product }) => product.name)])
row(['---', ...columns.map(() => '---')])
for (const [at, title] of Object.keys(histories).entries()) {
  row([title, ...columns.map(({ outcomes }) => outcomes[at] ?? '')])
}
