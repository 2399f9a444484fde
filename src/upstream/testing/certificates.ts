import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** A certificate authority that lives as long as a test, made by the `openssl` program. */
export interface Authority extends Disposable {
  readonly cert: string;
  /** `names` as in a subjectAltName: `DNS:example.com,IP:127.0.0.1`; empty: only the common name. */
  issue(commonName: string, names: string, validity?: 'now' | 'past'): Certificate;
  /** Signed by itself. */
  selfSigned(commonName: string, names: string): Certificate;
}

/** Null where there is no `openssl`. */
export function createAuthority(): Authority | null {
  if (Bun.which('openssl') === null) return null;
  const folder = mkdtempSync(join(tmpdir(), 'tokenrouter-ca-'));
  const file = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(file(name), 'utf8');
  const openssl = (command: string): void => {
    const { exitCode, stderr } = Bun.spawnSync(['openssl', ...command.split(' ')], { cwd: folder });
    if (exitCode !== 0) throw new Error(`openssl ${command}: ${stderr.toString()}`);
  };
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  writeFileSync(
    file('ca.cnf'),
    `[ca]\ndefault_ca=own\n[own]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ncertificate=ca.pem\n` +
      `private_key=ca.key\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n`,
  );
  writeFileSync(file('index'), '');
  writeFileSync(file('serial'), '1000\n');
  openssl(
    `req -x509 ${newKey} -keyout ca.key -out ca.pem -days 30 -subj /CN=TestCA` +
      ' -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign',
  );
  let count = 0;
  return {
    cert: read('ca.pem'),
    issue(commonName, names, validity = 'now') {
      const name = `cert${count++}`;
      openssl(`req ${newKey} -keyout ${name}.key -out ${name}.csr -subj /CN=${commonName}`);
      writeFileSync(file(`${name}.ext`), names === '' ? '' : `subjectAltName=${names}\n`);
      const day = 86_400_000;
      const at = (ms: number): string => `${new Date(ms).toISOString().replaceAll(/[-:T]|\..*/g, '')}Z`;
      const [from, to] = validity === 'now' ? [-day, 7 * day] : [-7 * day, -day];
      openssl(
        `ca -batch -config ca.cnf -in ${name}.csr -out ${name}.pem -notext -extfile ${name}.ext` +
          ` -startdate ${at(Date.now() + from)} -enddate ${at(Date.now() + to)}`,
      );
      return { key: read(`${name}.key`), cert: read(`${name}.pem`) };
    },
    selfSigned(commonName, names) {
      const name = `cert${count++}`;
      openssl(
        `req -x509 ${newKey} -keyout ${name}.key -out ${name}.pem -days 7 -subj /CN=${commonName}` +
          ` -addext subjectAltName=${names}`,
      );
      return { key: read(`${name}.key`), cert: read(`${name}.pem`) };
    },
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
