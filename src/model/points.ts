/** What an operation costs, known before it runs. */
export interface Cost {
  points: number;
  fields: number;
}

/** Besides the one that each operation costs. */
export const POINTS_A_WRITE = 5;
/** How many there are for a point: fields, addresses that are written, rows that are read by an op or for a snapshot. */
export const FIELDS_A_POINT = 100;
export const ADDRESSES_A_POINT = 100;
export const ROWS_A_POINT = 100;
