/** The two S3 servers, different in origin and strictness. */
import type { Service } from "./service.ts";
import { answers } from "./site.ts";

/** MinIO over one folder. */
export const minio: Service = {
  name: "minio",
  programs: ["minio"],
  async start(site) {
    const [address, secret] = [`127.0.0.1:${site.port()}`, crypto.randomUUID()];
    const args = ["server", "--quiet", "--address", address, "--console-address", `127.0.0.1:${site.port()}`];
    const server = site.serve("minio", [...args, `${site.folder}/data`], {
      MINIO_ROOT_USER: "tester",
      MINIO_ROOT_PASSWORD: secret,
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
      MINIO_CI_CD: "1",
      HOME: site.folder,
    });
    await site.ready(server, () => answers(`http://${address}/minio/health/ready`, [200]));
    return `http://tester:${secret}@${address}`;
  },
};

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
