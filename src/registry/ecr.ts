import { decodeBase64 } from "../bytes/base64.ts";
import { ImageError, messageOf } from "../errors.ts";
import { checkAwsVariables } from "../http/aws_variables.ts";
import type { EcrHost } from "../oci/ecr_host.ts";
import type { Credentials } from "./credentials.ts";

/**
 * Gets a password for an ECR registry (good for 12 hours) with the AWS credentials of a profile, else of the usual chain.
 *
 * Throws `unauthorized` when there are none, `denied` when they do not suffice, `unavailable` when AWS does not answer.
 */
export async function readEcrCredentials(host: EcrHost, registry: string, profile?: string): Promise<Credentials> {
  checkAwsVariables((name) => Deno.env.get(name) || undefined);
  const { ECRClient, GetAuthorizationTokenCommand } = await import("@aws-sdk/client-ecr");
  const client = new ECRClient({
    region: host.region,
    ...(host.isFips ? { useFipsEndpoint: true } : {}),
    ...(profile === undefined ? {} : { profile }),
  });
  try {
    const answer = await client.send(new GetAuthorizationTokenCommand({}));
    const [data] = answer.authorizationData ?? [];
    const text = new TextDecoder().decode(decodeBase64(data?.authorizationToken ?? ""));
    const colon = text.indexOf(":");
    if (colon < 0) throw new ImageError("invalid-input", `Cannot log in to "${registry}": ECR gave no token`);
    return {
      kind: "password",
      username: text.slice(0, colon),
      password: text.slice(colon + 1),
      expiresAt: data?.expiresAt?.getTime() ?? Date.now() + 60 * 60_000,
    };
  } catch (error) {
    throw error instanceof ImageError ? error : ecrError(error, registry);
  } finally {
    client.destroy();
  }
}

function ecrError(error: unknown, registry: string): ImageError {
  const name = error instanceof Error ? error.name : "";
  const why = `${name === "" || name === "Error" ? "" : `${name}: `}${messageOf(error).split("\n")[0]}`.slice(0, 300);
  const message = `Cannot log in to "${registry}": ${why}`;
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  if (name === "AccessDeniedException") {
    return new ImageError("denied", message, {
      hint: "Allow ecr:GetAuthorizationToken for this identity",
      cause: error,
    });
  }
  if (status === undefined && name !== "CredentialsProviderError" && name !== "TokenProviderError") {
    return new ImageError("unavailable", message, { cause: error });
  }
  if (status !== undefined && status >= 500) return new ImageError("unavailable", message, { cause: error });
  return new ImageError("unauthorized", message, {
    hint: `Set AWS_PROFILE or other AWS credentials, or run docker login ${registry}`,
    cause: error,
  });
}
