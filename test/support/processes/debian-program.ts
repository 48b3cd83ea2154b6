// Programs that tests need beside Node: one that is there already; else Debian's package, installed as root; else a sentence.
// It never starts or stops anything.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'

export interface DebianProgram {
  /** Under any of these names it serves; the first that is there is taken. */
  names: readonly string[]
  package: string
  /** A file that must be there as well, and the package it is in. */
  needs?: { file: string; package: string }
  /** What a person is told when it is not there and cannot be installed. */
  otherwise: string
}

/**
 * Where a program is.
 * @returns its absolute path
 * @throws Error with the sentence that says what to install
 */
export function debianProgram({ names, package: name, needs, otherwise }: DebianProgram): string {
  const found = onPath(names) ?? (installed(name) ? onPath(names) : undefined)
  if (found === undefined || !isThere(needs)) throw new Error(otherwise)
  return found
}

function isThere(needs: DebianProgram['needs']): boolean {
  return needs === undefined || existsSync(needs.file) || (installed(needs.package) && existsSync(needs.file))
}

// Servers lie where only root looks.
function onPath(names: readonly string[]): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin']
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

// Debian would start a server of its own after installing; at run level 1 it does not.
function installed(name: string): boolean {
  if (process.getuid?.() !== 0) return false
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  // Other test files may be installing too: the lock is waited for, and whether the program is there is all that counts.
  for (const command of [['update'], ['install', '-y', '--no-install-recommends', name]]) {
    spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...command], { stdio: 'ignore', env })
  }
  return true
}
