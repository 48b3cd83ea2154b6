// What `npm ci` and the image make of the manifest: no package warns a Node that README names, and the image has tracing.
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => JSON.parse(readFileSync(join(root, path), 'utf8'))
const manifest = read('package.json')

type Version = [major: number, minor: number, patch: number]

function versionOf(text: string): Version {
  const [major = 0, minor = 0, patch = 0] = text.split('.').map((part) => Number.parseInt(part, 10) || 0)
  return [major, minor, patch]
}

function isAtLeast(version: Version, bound: Version): boolean {
  const different = version.findIndex((part, at) => part !== bound[at])
  return different === -1 || (version[different] ?? 0) > (bound[different] ?? 0)
}

/** Whether a version is in a range of the forms that packages write: `>=18`, `^20.19.0 || >=22`, `20 || 6.*`. */
function isIn(version: Version, range: string): boolean {
  return range.split('||').some((part) =>
    [...part.matchAll(/(>=|\^|)\s*(\d[\d.x*]*)/g)].every(([, operator, text = '']) => {
      const bound = versionOf(text)
      return operator === '>=' ? isAtLeast(version, bound) : version[0] === bound[0] && isAtLeast(version, bound)
    }),
  )
}

t.test('no package that npm installs warns of a Node that README names (EBADENGINE)', async (t) => {
  const [, oldest = ''] = /Node\.js (\d+\.\d+) or newer/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
  t.match(oldest, /^\d+\.\d+$/)
  t.notOk(isIn(versionOf('20.18.3'), '^20.19.0 || ^22.12.0 || >=23'), 'the ranges are read')
  const packages = Object.entries<{ engines?: { node?: string } }>(read('package-lock.json').packages)
  for (const [path, { engines }] of packages.filter(([path]) => path !== '')) {
    if (engines?.node === undefined) continue
    for (const version of [oldest, '22.18', '24.0', '26.10'])
      if (!isIn(versionOf(version), engines.node)) t.fail(`${path} asks for ${engines.node}, not for ${version}`)
  }
})

t.test('the image has tracing, in the versions that are tested here', async (t) => {
  const folder = temporaryFolder(t)
  for (const file of ['package.json', 'package-lock.json']) cpSync(join(root, file), join(folder, file))
  execFileSync(process.execPath, [join(root, 'packaging/with-tracing.ts')], { cwd: folder })
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const optional = Object.keys(manifest.peerDependenciesMeta)
  t.ok(optional.length > 3)
  for (const name of optional) {
    t.equal(dependencies[name], manifest.devDependencies[name], name)
    t.notOk(name in devDependencies)
  }
})

t.test('Fastify is the app’s own, and what is optional is tested in the lowest version that is allowed', async (t) => {
  const { dependencies, devDependencies, peerDependencies } = manifest
  const locked = read('package-lock.json').packages
  for (const [name, range] of Object.entries<string>(peerDependencies)) {
    t.notOk(name in dependencies, `${name} would be there twice`)
    t.equal(`^${locked[`node_modules/${name}`].version}`, range, name)
    if (name !== 'fastify') t.equal(`^${devDependencies[name]}`, range, name)
  }
})
