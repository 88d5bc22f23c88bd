/**
 * The specs of tfjs-core's suite that do not run against `native`, and why. A spec is left out when
 * its full name contains `name`.
 */
export const EXCLUSIONS: readonly { name: string; reason: string }[] = [];
