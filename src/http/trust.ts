/** Whom a server is believed to be, and who one is oneself, on TLS connections to one host. */
export interface Trust {
  /** Certificate authorities to trust beside the runtime's own, PEM texts of one certificate each. */
  readonly authorities: readonly string[];
  /** Client certificate and key, PEM texts. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string } | undefined;
}

/** Trust in the runtime's own authorities alone. */
export const NO_OWN_TRUST: Trust = { authorities: [] };
