/** The settings of a group's calls. */
export interface CallSettings {
  /** Kept as given. */
  flags: number;
  resolution: Resolution;
  /** Seconds; null: unlimited. */
  maxDuration: number | null;
}

/** Resolutions with their numbers in storage and on the op endpoint. */
export const RESOLUTIONS = { DEFAULT: 0, QVGA: 1, VGA: 2, HD: 3, FHD: 4, UHD_4K: 5, QQVGA: 8, P180: 9, NHD: 10 } as const;
export type Resolution = keyof typeof RESOLUTIONS;

export const DEFAULT_CALL_SETTINGS: CallSettings = { flags: 0, resolution: 'DEFAULT', maxDuration: null };

const NAMES = new Map<number, Resolution>(Object.entries(RESOLUTIONS).map(([name, number]) => [number, name as Resolution]));

export function resolutionOf(number: number): Resolution | undefined {
  return NAMES.get(number);
}

export interface CallSettingsInput {
  flags?: number;
  resolution?: Resolution;
  /** null and 0: unlimited. */
  maxDuration?: number | null;
  /** Puts all three back to their defaults. */
  default?: boolean;
}

export function changedCallSettings(current: CallSettings, input: CallSettingsInput): CallSettings {
  if (input.default) return DEFAULT_CALL_SETTINGS;
  return {
    flags: input.flags ?? current.flags,
    resolution: input.resolution ?? current.resolution,
    maxDuration: input.maxDuration === undefined ? current.maxDuration : input.maxDuration || null,
  };
}
