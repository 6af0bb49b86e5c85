import type { ChangeRecord } from '../log/read.ts';
import type { RecordedMember, RecordedSettings } from '../log/records.ts';

/** What a stream of changes delivers. Each event has the cursor to continue from. */
export type ChangeEvent = { cursor: string } & (
  | { type: 'change'; record: ChangeRecord }
  | {
      type: 'snapshot';
      gid: number;
      version: number;
      at: Date;
      page: number;
      settings: RecordedSettings;
      members: RecordedMember[];
    }
  /** `gid` and `version` are null in the stream of an app. */
  | { type: 'ready' | 'checkpoint'; gid: number | null; version: number | null; at: Date }
);
