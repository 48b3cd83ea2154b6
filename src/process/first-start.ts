// The first start in development, which makes what is needed so that two commands are enough: a secret in the data folder and
// the first admin. In production it makes up nothing; what it makes is told once and never logged.
import { randomBytes, randomInt } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashPassword, verifyPassword } from '../../plugins/credentials/password.ts'
import { contextOf, violationOf } from '../../plugins/credentials/strength.ts'
import { readBoundedFile } from '../../plugins/files/bounded-file.ts'
import { minimumSecretLength } from '../../plugins/keys/secrets.ts'
import type { UserStore } from '../../plugins/session-store/port/store.ts'
import { type Config, ConfigError } from '../config/index.ts'
import { cardeaCommand } from './commands.ts'

const folderMode = 0o700
const fileMode = 0o600
const secretBytes = 48
const secretFileLimitBytes = 4096

/**
 * Makes the data folder, for this user only; one that exists is left as it is.
 * @param dataDir absolute path
 * @throws ConfigError when it cannot be made
 */
export function makeDataDir(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true, mode: folderMode })
  } catch (error) {
    throw new ConfigError([`CARDEA_DATA_DIR is ${JSON.stringify(dataDir)}: it cannot be made (${messageOf(error)})`])
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/**
 * Completes a config of development that has no secret: the one in the data folder, made at the first start.
 * @param config `secrets` is filled and `notes` may grow; unchanged where there is a secret already
 * @returns the completed config
 * @throws ConfigError when the file cannot be read or written, or does not hold a secret
 */
export function withSecret(config: Config): Config {
  if (config.secrets.length > 0 || config.production) return config
  const file = join(config.dataDir, 'secret')
  makeDataDir(config.dataDir)
  try {
    writeSecret(file)
    const secret = readBoundedFile(file, secretFileLimitBytes).toString().trim()
    if (secret.length < minimumSecretLength)
      throw new Error('it does not hold a secret; remove it and a new one is made')
    return { ...config, secrets: [secret], notes: [...config.notes, ...exposureOf(file)] }
  } catch (error) {
    throw new ConfigError([`The development secret ${file} cannot be used: ${messageOf(error)}`])
  }
}

// Written beside its place and then linked to it: the link fails where a secret is already, so two processes that start at
// once end up with one, and a crash leaves none rather than half of one.
function writeSecret(file: string): void {
  if (existsSync(file)) return
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${randomBytes(secretBytes).toString('base64url')}\n`, { mode: fileMode, flush: true })
  try {
    linkSync(draft, file)
  } catch (error) {
    if (!existsSync(file)) throw error
  } finally {
    unlinkSync(draft)
  }
}

function exposureOf(file: string): string[] {
  const mode = statSync(file).mode & 0o777
  const isExposed = process.platform !== 'win32' && (mode & 0o077) !== 0
  return isExposed ? [`${file} can be read by others (mode ${mode.toString(8)}): run chmod 600 on it.`] : []
}

/** The user name of the first admin. */
export const firstAdminName = 'admin'

export type FirstAdmin =
  /** There are users; nothing was changed. */
  | { outcome: 'present' }
  | { outcome: 'added'; from: 'CARDEA_ADMIN_PASSWORD' }
  /** Development made a password: it must be told now, it is kept nowhere. */
  | { outcome: 'added'; from: 'made'; password: string }
  /** Production without a password: nobody can sign in until one is added. */
  | { outcome: 'missing' }

/**
 * Prepares the first admin where there are no users at all. Nothing is written before the returned function is called: a
 * start that fails in between must not leave an admin whose password nobody was told.
 * @param users the user store
 * @param config its `adminPassword`, or in development one that is made here; its `notes` may grow
 * @returns a function that adds the admin at once, its password being hashed already, and says what happened; a made
 * password is in that, once
 * @throws ConfigError when the password is easy to guess
 */
export async function prepareFirstAdmin(users: UserStore, config: Config): Promise<() => Promise<FirstAdmin>> {
  if ((await users.count()) > 0) {
    config.notes.push(...(await withoutEffect(users, config)))
    return async () => ({ outcome: 'present' })
  }
  const password = config.adminPassword ?? (config.production ? undefined : makePassword())
  if (password === undefined) return async () => ({ outcome: 'missing' })
  const violation = await violationOf(password, contextOf(firstAdminName, config.issuer))
  if (violation !== undefined && config.adminPassword !== undefined) {
    throw new ConfigError([`CARDEA_ADMIN_PASSWORD is too easy to guess: ${violation} Choose another.`])
  }
  const passwordHash = await hashPassword(password)
  return async () => {
    const isAdded = await users.add({ sub: firstAdminName, passwordHash, roles: ['admin'], scope: '' })
    if (!isAdded) return { outcome: 'present' }
    return config.adminPassword === undefined
      ? { outcome: 'added', from: 'made', password }
      : { outcome: 'added', from: 'CARDEA_ADMIN_PASSWORD' }
  }
}

// It is read while there are no users. Whoever changes it later would wait for an effect.
async function withoutEffect(users: UserStore, { adminPassword }: Config): Promise<string[]> {
  if (adminPassword === undefined) return []
  const admin = await users.find(firstAdminName)
  if (admin !== undefined && (await verifyPassword(admin.passwordHash, adminPassword))) return []
  return [
    `CARDEA_ADMIN_PASSWORD is not the password of ${firstAdminName} and has no effect, as there are users already: ${cardeaCommand} users passwd ${firstAdminName}`,
  ]
}

// Without the letters and digits that people take for each other; all of it is marked by a double click.
const passwordAlphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789'
const passwordLength = 24

/**
 * Makes a password that nobody can guess and everybody can copy.
 * @returns 24 letters and digits, 139 random bits
 */
export function makePassword(): string {
  return Array.from({ length: passwordLength }, () => passwordAlphabet.charAt(randomInt(passwordAlphabet.length))).join(
    '',
  )
}
