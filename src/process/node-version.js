// Says in one sentence that Node is too old, before any TypeScript is loaded (older versions cannot read it).
// Loaded by `node --import` in front of everything npm starts; so this file keeps to what Node 16 understands.
const needed = [22, 18]
// The package is built into this folder, and has no Node of its own.
const isPackage = import.meta.url.includes('/dist/')

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  process.stderr.write(
    `Cardea needs Node ${needed.join('.')} or later, but ${process.execPath} is ${process.versions.node}: ` +
      `${isPackage ? '' : 'run `npm ci` (it brings a current Node for this folder) and start with `npm start`, or '}install a newer Node.\n`,
  )
  process.exit(1)
}
