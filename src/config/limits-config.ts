// The limits of requests and connections: the part of the config that bounds what clients cost.
import { idleWithin } from '../../plugins/clients/idle-connections.ts'
import { connectionsWithin, descriptorLimit, memoryLimit } from '../../plugins/errors/shortage.ts'
import type { RequestLimits } from '../../plugins/http-edge/index.ts'
import type { SettingValues } from './settings/index.ts'

export interface LimitsConfig extends RequestLimits {
  loginBodyBytes: number
  bodyMemoryBytes: number
  /** Places for client connections, in each process. */
  connections: number
  /** How many of them are kept between two requests. */
  idleConnections: number
}

/** The part of the config. @param all values without mistakes */
export function limitsOf(all: SettingValues): LimitsConfig {
  const { headerBytes, headerCount, targetBytes, loginBodyBytes, bodyBytes, bodyMemoryBytes } = all
  const { headersTimeoutMs, keepAliveTimeoutMs, requestTimeoutMs } = all
  const connections = all.connections ?? connectionsWithin(descriptorLimit())
  return {
    ...{ headerBytes, headerCount, targetBytes, loginBodyBytes, bodyBytes, bodyMemoryBytes },
    ...{ headersTimeoutMs, keepAliveTimeoutMs, requestTimeoutMs },
    connections,
    idleConnections: all.idleConnections ?? idleWithin(memoryLimit(), connections),
  }
}
