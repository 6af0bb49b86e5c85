/** How much of the database one caller may take. */
export interface Shares {
  /** Percent of the connections that an app's statements use at most while another app waits, 1 to 100. */
  appShare: number;
  /** Percent of the connections that a user token's statements use at most, 1 to 100. */
  userShare: number;
  /** How many statements of one operation are sent or wait for a connection at a time. */
  operationStatements: number;
  /** How many writes may wait for one group in this process; a user, for a tenth of them. */
  groupQueue: number;
}

export const DEFAULT_SHARES: Shares = { appShare: 50, userShare: 25, operationStatements: 8, groupQueue: 1_000 };
