// The manifest with tracing among its dependencies: optional packages are the choice of whoever installs Cardea, and nobody
// could add them to an image. Rewrites `package.json` of the current folder; the lock file holds for it as it is.
import { readFileSync, writeFileSync } from 'node:fs'

const { peerDependenciesMeta, ...manifest } = JSON.parse(readFileSync('package.json', 'utf8'))
for (const name of Object.keys(peerDependenciesMeta)) {
  manifest.dependencies[name] = manifest.devDependencies[name]
  delete manifest.devDependencies[name]
  delete manifest.peerDependencies[name]
}
writeFileSync('package.json', JSON.stringify(manifest))
