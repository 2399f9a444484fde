import { connect, createServer, type Socket } from 'node:net';

export interface ForwardProxy extends Disposable {
  readonly url: string;
  /** First line of every request that came, credentials as `user:password` before it where there were any. */
  readonly requests: readonly string[];
}

/** A small forward proxy: tunnels for CONNECT, and plain HTTP in absolute form, one request per connection. */
export async function startForwardProxy(): Promise<ForwardProxy> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    sockets.add(client);
    client.on('error', () => client.destroy());
    let head = '';
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      client.off('data', onData);
      client.pause();
      const [requestLine = ''] = head.split('\r\n');
      const [method = '', target = ''] = requestLine.split(' ');
      const credentials = /^proxy-authorization: basic (.*)$/im.exec(head)?.[1];
      requests.push((credentials === undefined ? '' : `${atob(credentials)} `) + requestLine);
      const tunnel = method === 'CONNECT';
      const { hostname, port } = new URL(tunnel ? `http://${target}` : target);
      const vendor = connect(Number(port), hostname.replaceAll(/[[\]]/g, ''));
      sockets.add(vendor);
      vendor.on('error', () => {
        if (vendor.connecting || vendor.bytesRead === 0)
          client.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        else client.destroy();
      });
      vendor.on('close', () => client.destroySoon());
      client.on('close', () => vendor.destroy());
      vendor.once('connect', () => {
        if (tunnel) client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        else {
          const path = target.slice(target.indexOf('/', 'http://'.length));
          const rest = head.slice(head.indexOf('\r\n'));
          vendor.write(
            `${method} ${path} HTTP/1.1\r\nConnection: close${rest.replaceAll(/\r\n(?:proxy-)?connection:[^\r]*/gi, '')}`,
            'latin1',
          );
        }
        client.pipe(vendor);
        vendor.pipe(client);
      });
    };
    client.on('data', onData);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    [Symbol.dispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
