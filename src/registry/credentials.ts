import { encodeBase64 } from "../bytes/base64.ts";

/** How one proves who one is to a registry. Never shown. */
export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string; readonly expiresAt?: number }
  /** A refresh token for the registry's token server (Docker's `identitytoken`). */
  | { readonly kind: "identity-token"; readonly token: string }
  /** A bearer token for the registry itself (Docker's `registrytoken`). */
  | { readonly kind: "registry-token"; readonly token: string };

/** Reads one environment variable; empty ones count as missing. */
export type Environment = (name: string) => string | undefined;

/** The environment of this process. */
export const processEnvironment: Environment = (name) => Deno.env.get(name) || undefined;

/** The value of a basic `Authorization` header. */
export function basicAuthorization(username: string, password: string): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${encodeBase64(bytes)}`;
}
