#!/usr/bin/env node
// The command `cardea` of the package: `cardea start` is the gateway, everything else is the command line.
import './process/node-version.js'

await (process.argv[2] === 'start' ? import('./server.ts') : import('./cli.ts'))
