// nginx on one core: proxy_pass without any check, and auth_request asking Cardea about each request. From PATH.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/processes/free-port.ts'
import { type Running, startProgram } from '../targets/processes.ts'

export interface NginxOptions {
  /** For its files. */
  folder: string
  service: string
  /** Whom `auth_request` asks; without it nothing is checked. */
  gateway?: string
}

/**
 * Starts nginx.
 * @throws Error when it is not on PATH
 */
export async function startNginx({ folder, service, gateway }: NginxOptions): Promise<Running> {
  const port = await freePort()
  const file = join(folder, `nginx-${port}.conf`)
  await writeFile(file, settings(folder, port, service, gateway))
  return startProgram('nginx', ['-p', folder, '-e', join(folder, 'nginx-errors.log'), '-c', file], port)
}

function settings(folder: string, port: number, service: string, gateway: string | undefined): string {
  const upstream = (name: string, url: string) => `upstream ${name} { server ${new URL(url).host}; keepalive 64; }`
  const reuse = 'proxy_http_version 1.1; proxy_set_header Connection "";'
  const ask = `location = /_ask {
      internal; ${reuse} proxy_pass http://gateway/auth/verify; proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header X-Original-URI $request_uri; proxy_set_header X-Original-Method $request_method; }`
  return `
daemon off; master_process off; worker_processes 1; pid ${folder}/nginx-${port}.pid;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  ${upstream('service', service)}
  ${gateway === undefined ? '' : upstream('gateway', gateway)}
  server {
    listen 127.0.0.1:${port};
    location / { ${reuse} proxy_pass http://service; ${gateway === undefined ? '' : 'auth_request /_ask;'} }
    ${gateway === undefined ? '' : ask}
  }
}
`
}
