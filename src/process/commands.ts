// The commands as a person types them where this is installed: npm's scripts in the repository, `cardea` where it is a package.
// The package is built, and the repository never is.
const isPackage = import.meta.url.endsWith('.js')

/** In front of a command and its arguments. */
export const cardeaCommand = isPackage ? 'npx cardea' : 'npm run cardea --'

/** Runs the gateway. */
export const startCommand = isPackage ? 'npx cardea start' : 'npm start'
