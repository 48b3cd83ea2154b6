// The OpenAPI document of the gateway, and Swagger UI: valid, whole, and served only where they are turned on.
import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import { apiInfo, apiTags } from '../src/api-document.ts'
import { startGateway } from './gateway.ts'

/** What of the document is looked at here. */
interface ApiDocument {
  openapi: string
  info: object
  tags: object[]
  paths: Record<string, Record<string, Operation>>
}

interface Operation {
  operationId?: string
  summary?: string
  tags?: string[]
  security?: object[]
}

t.test('the document is valid OpenAPI 3.1, and describes every operation once and in a known group', async (t) => {
  const { app } = await startGateway(t, { config: { docs: true } })
  const { body } = await app.inject('/docs/json')
  const parsed: Record<string, unknown> = JSON.parse(body)
  const { valid, errors } = await new Validator().validate(parsed)
  const document: ApiDocument = JSON.parse(body)
  t.ok(valid, JSON.stringify(errors))
  t.match(document, { openapi: /^3\.1\./, info: apiInfo, tags: apiTags })
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
  const ids = operations.map(({ operationId }) => operationId)
  t.equal(new Set(ids).size, operations.length, 'every operation has an id of its own')
  const known = new Set(apiTags.map(({ name }) => name))
  for (const { operationId, summary, tags } of operations) {
    t.ok(summary, `${operationId} says what it does`)
    t.ok(tags?.length === 1 && known.has(tags[0] ?? ''), `${operationId} is in a group: ${tags}`)
  }
})

t.test('Swagger UI is served where it is turned on, and nowhere else', async (t) => {
  const withDocs = await startGateway(t, { config: { docs: true } })
  const page = await withDocs.app.inject('/docs')
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-security-policy'], /default-src 'none'/)
  t.match(page.body, /<title>Cardea<\/title>/)
  const without = await startGateway(t)
  for (const path of ['/docs', '/docs/json']) t.equal((await without.app.inject(path)).statusCode, 404, path)
})
