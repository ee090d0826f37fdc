/** The two S3 servers, different in origin and strictness; one of them over TLS too. */
import type { Service } from "./service.ts";
import { answers, type Site } from "./site.ts";

/** MinIO over one folder. */
export const minio: Service = {
  name: "minio",
  programs: ["minio"],
  start: async (site) => `http://${await serveMinio(site)}`,
};

/** MinIO over TLS. */
export const tlsMinio: Service = {
  name: "tlsMinio",
  programs: ["minio"],
  async start(site) {
    const { ca, cert, key } = await site.certificates();
    await Deno.mkdir(`${site.folder}/certs`);
    await Deno.copyFile(cert, `${site.folder}/certs/public.crt`);
    await Deno.copyFile(key, `${site.folder}/certs/private.key`);
    return `https://${await serveMinio(site, ca)}/#${ca}`;
  },
};

/** Starts MinIO, over TLS where there is an authority, and gives `access:secret@host:port`. */
async function serveMinio(site: Site, ca?: string): Promise<string> {
  const [address, secret] = [`127.0.0.1:${site.port()}`, crypto.randomUUID()];
  const args = ["server", "--quiet", "--address", address, "--console-address", `127.0.0.1:${site.port()}`];
  if (ca !== undefined) args.push("--certs-dir", `${site.folder}/certs`);
  const server = site.serve("minio", [...args, `${site.folder}/data`], {
    MINIO_ROOT_USER: "tester",
    MINIO_ROOT_PASSWORD: secret,
    MINIO_BROWSER: "off",
    MINIO_UPDATE: "off",
    MINIO_CI_CD: "1",
    HOME: site.folder,
  });
  const scheme = ca === undefined ? "http" : "https";
  await site.ready(server, () => answers(`${scheme}://${address}/minio/health/ready`, [200], ca));
  return `tester:${secret}@${address}`;
}

/** Versity's gateway over plain files. */
export const versity: Service = {
  name: "versity",
  programs: ["versitygw"],
  async start(site) {
    const [address, secret] = [`127.0.0.1:${site.port()}`, crypto.randomUUID()];
    await Deno.mkdir(`${site.folder}/data`);
    const args = ["--access", "tester", "--secret", secret, "--port", address, "--health", "/health", "--quiet"];
    const server = site.serve("versitygw", [...args, "posix", `${site.folder}/data`]);
    await site.ready(server, () => answers(`http://${address}/health`, [200]));
    return `http://tester:${secret}@${address}`;
  },
};
