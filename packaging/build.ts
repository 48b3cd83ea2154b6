// The package, built: JavaScript and types of src and plugins in dist, by the compiler that checks them, and beside them what
// they read at run time. `npm pack` runs it; nothing in the repository needs what it makes.
import { execFileSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

rmSync(`${root}/dist`, { recursive: true, force: true })
execFileSync(`${root}/node_modules/.bin/tsc`, ['-p', `${root}/packaging`], { stdio: 'inherit' })
// Scripts of Redis, the operators' page, and the check of Node's version, which no compiler touches.
for (const folder of ['plugins', 'src'])
  cpSync(`${root}/${folder}`, `${root}/dist/${folder}`, { recursive: true, filter: isCopied })

function isCopied(path: string): boolean {
  return !['.ts', '.md', '.json'].includes(extname(path))
}
