// Redocly's linter, behind one function.
import { createConfig, lintFromString } from '@redocly/openapi-core'

/**
 * What the recommended rules find in a document.
 * @param {string} source JSON
 * @returns {Promise<string[]>} `rule at place: sentence`
 */
export async function findingsIn(source) {
  const config = await createConfig({ extends: ['recommended'] })
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
  return problems.map(({ ruleId, location, message }) => `${ruleId} at ${location[0]?.pointer}: ${message}`)
}
