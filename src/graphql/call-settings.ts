import { type CallSettings, RESOLUTIONS, type Resolution } from '../model/call-settings.ts';
import { builder } from './builder.ts';
import { forEachName } from './each.ts';

const SIZES: Record<Resolution, string> = {
  DEFAULT: "The client's own default",
  QVGA: '320 × 240',
  VGA: '640 × 480',
  HD: '1280 × 720',
  FHD: '1920 × 1080',
  UHD_4K: '3840 × 2160',
  QQVGA: '160 × 120',
  P180: '320 × 180',
  NHD: '640 × 360',
};

const VideoResolution = builder.enumType('VideoResolution', {
  description: 'The resolution of video in a call. The numbers are those of the op endpoint.',
  values: forEachName(Object.keys(RESOLUTIONS) as Resolution[], (name) => ({
    value: name,
    description: `${SIZES[name]} (${RESOLUTIONS[name]}).`,
  })),
});

export const CallSettingsType = builder.objectRef<CallSettings>('CallSettings').implement({
  description: "The settings of a group's calls.",
  fields: (t) => ({
    flags: t.exposeInt('flags', { description: 'A bitmask for the call server, stored as given.' }),
    resolution: t.field({
      type: VideoResolution,
      description: 'The resolution of video.',
      resolve: ({ resolution }) => resolution,
    }),
    maxDuration: t.exposeInt('maxDuration', { nullable: true, description: 'The longest call, in seconds; null: unlimited.' }),
  }),
});

export const CallSettingsInputType = builder.inputType('CallSettingsInput', {
  description: "The settings of a group's calls; what is left out stays.",
  fields: (t) => ({
    flags: t.int({ description: 'A bitmask for the call server, stored as given.' }),
    resolution: t.field({ type: VideoResolution, description: 'The resolution of video.' }),
    maxDuration: t.int({ description: 'The longest call, 0 to 2³¹−1 seconds; null or 0: unlimited.' }),
    default: t.boolean({
      description: 'true resets all three to the defaults (0, DEFAULT, unlimited); then nothing else may be given.',
    }),
  }),
});
