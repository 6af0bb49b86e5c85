import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

const PRIVATE = listOf([
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]);

function listOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    const [family, bits] = isIP(address) === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const);
    list.addSubnet(address, Number(prefix ?? bits), family);
  }
  return list;
}

/** Whose a connection, or a request on it, is: what is counted by; undefined where nothing is. */
export interface Addresses {
  ofConnection(peer: string | undefined): string | undefined;
  /** Of a request that a trusted proxy passes on. */
  ofForwarded(peer: string | undefined, forwardedFor: string | undefined): string | undefined;
}

/**
 * @param trusted whose X-Forwarded-For counts. Without any, loopback and private addresses are not counted by: everybody
 *   who comes through a proxy would be one
 */
export function createAddresses(trusted: readonly string[] | undefined): Addresses {
  const proxies = listOf(trusted ?? []);
  return {
    ofConnection(peer) {
      const address = plainAddress(peer);
      return address === undefined || contains(trusted ? proxies : PRIVATE, address) ? undefined : blockOf(address);
    },
    ofForwarded(peer, forwardedFor) {
      const nearest = plainAddress(peer);
      if (nearest === undefined || !contains(proxies, nearest)) return undefined;
      // The last one is what the nearest proxy saw; what comes before may be anything.
      for (const each of (forwardedFor ?? '').split(',').reverse()) {
        const address = plainAddress(each.trim());
        if (address === undefined) return undefined;
        if (!contains(proxies, address)) return blockOf(address);
      }
      return undefined;
    },
  };
}

/** Whose a request is, whichever way it came. */
export function addressOf({ socket, headers }: IncomingMessage, addresses: Addresses): string | undefined {
  const { remoteAddress } = socket;
  const forwarded = headers['x-forwarded-for'];
  const behind = forwarded === undefined ? undefined : addresses.ofForwarded(remoteAddress, String(forwarded));
  return behind ?? addresses.ofConnection(remoteAddress);
}

function plainAddress(text: string | undefined): string | undefined {
  const address = text?.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '') ?? '';
  return isIP(address) ? address : undefined;
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** An IPv6 client has a network of 64 bits to choose its address from. */
function blockOf(address: string): string {
  if (isIP(address) === 4) return address;
  const [before = '', after] = address.split('::');
  const groups = before.split(':').filter(Boolean);
  if (after !== undefined) {
    const rest = after.split(':').filter(Boolean);
    while (groups.length + rest.length < 8) groups.push('0');
    groups.push(...rest);
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
