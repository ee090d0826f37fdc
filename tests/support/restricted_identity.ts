import { S3Client } from "@aws-sdk/client-s3";
import { SignatureV4 } from "@smithy/signature-v4";

/** Credentials of an identity that may do no more than its policy says. */
export interface RestrictedIdentity {
  readonly AWS_ACCESS_KEY_ID: string;
  readonly AWS_SECRET_ACCESS_KEY: string;
  readonly AWS_SESSION_TOKEN: string;
}

/** One statement of a policy: what may be done with what. */
export type Allowance = readonly [actions: readonly string[], resources: readonly string[]];

/** Has MinIO at `http://access:secret@host:port` give passing credentials with these rights and no others. */
export async function restrictedIdentity(address: string, allowed: readonly Allowance[]): Promise<RestrictedIdentity> {
  const url = new URL(address);
  const policy = {
    Version: "2012-10-17",
    Statement: allowed.map(([Action, names]) => ({
      Effect: "Allow",
      Action,
      Resource: names.map((name) => `arn:aws:s3:::${name}`),
    })),
  };
  const body = new URLSearchParams({
    Action: "AssumeRole",
    Version: "2011-06-15",
    DurationSeconds: "3600",
    Policy: JSON.stringify(policy),
  }).toString();
  const client = new S3Client({ region: "us-east-1" });
  const signer = new SignatureV4({
    service: "sts",
    region: "us-east-1",
    credentials: { accessKeyId: url.username, secretAccessKey: url.password },
    sha256: client.config.sha256,
  });
  const { headers } = await signer.sign({
    method: "POST",
    protocol: "http:",
    hostname: url.hostname,
    path: "/",
    query: {},
    headers: { host: url.host, "content-type": "application/x-www-form-urlencoded" },
    body,
  });
  client.destroy();
  const { host: _host, ...sent } = headers;
  const answer = await fetch(`${url.origin}/`, { method: "POST", headers: sent, body });
  const text = await answer.text();
  const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  const [id, secret, token] = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(element);
  if (!id || !secret || !token) throw new Error(`MinIO gave no credentials: ${answer.status} ${text}`);
  return { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token };
}
