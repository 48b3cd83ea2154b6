// Packages that one command needs and nobody else: a folder with a package.json and a lock file of its own. They are installed
// when the command first runs, and again when the lock file has changed. It must never leave half of them.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { npmEnvironment } from './process-environment.ts'

/**
 * Installs the packages of a folder, unless they are there.
 * @param folder its URL, with a slash at the end
 * @throws Error when npm cannot install them, with what it said
 */
export async function installOwnPackages(folder: URL): Promise<void> {
  const path = fileURLToPath(folder)
  const lock = createHash('sha256')
    .update(readFileSync(join(path, 'package-lock.json')))
    .digest('hex')
  const installed = join(path, 'node_modules')
  const mark = join(installed, '.installed-from')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === lock) return
  console.error(`installing the packages of ${path}`)
  // Beside their place and moved there when they are whole: two processes may need them at once.
  const work = mkdtempSync(join(path, '.installing-'))
  try {
    for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(path, file), join(work, file))
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
    await promisify(execFile)('npm', args, { cwd: work, env: npmEnvironment() })
    writeFileSync(join(work, 'node_modules', '.installed-from'), lock)
    rmSync(installed, { recursive: true, force: true })
    renameSync(join(work, 'node_modules'), installed)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}
