// The authority of a route as a file of the config: its path begins where the config file lies, and another one that is put in its
// place is trusted from then on, without anybody asking.
import { copyFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../../support/eventually.ts'
import { makeAuthority } from '../../support/processes/certificates.ts'
import { GatewayProcess } from '../../support/processes/gateway-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

t.test('an authority is found beside the config file, and a new one in its place is trusted', async (t) => {
  const authority = makeAuthority(t)
  const service = createServer(authority.certify('IP:127.0.0.1'), (_request, response) => response.end('well'))
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    service.closeAllConnections()
    service.close()
  })
  const folder = temporaryFolder(t)
  copyFileSync(makeAuthority(t).caFile, join(folder, 'ca.pem'))
  // Boundary: it listens on a port.
  const upstream = `https://127.0.0.1:${(service.address() as AddressInfo).port}`
  const route = { prefix: '/x', upstream, policy: 'public', tls: { caFile: 'ca.pem' } }
  writeFileSync(join(folder, 'cardea.config.yaml'), JSON.stringify({ routes: [route] }))
  const gateway = await GatewayProcess.start({
    CARDEA_CONFIG: join(folder, 'cardea.config.yaml'),
    CARDEA_DATA_DIR: join(folder, 'data'),
  })
  t.teardown(() => gateway.stop())
  const statusOf = async () => (await fetch(`${gateway.url}/x`)).status
  t.equal(await statusOf(), 502, 'a stranger')
  copyFileSync(authority.caFile, join(folder, 'ca.pem'))
  await eventually('it is trusted', async () => (await statusOf()) === 200)
})
