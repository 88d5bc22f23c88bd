import { isBundle } from '#setup/places.mjs';

/** What to do about a peer that is not installed. */
export function howToInstall(peer: string): string {
  if (isBundle) return 'a bundle comes without peers: they need a checkout';
  return `\`node bench/peers/install.mjs ${peer}\` does it`;
}
