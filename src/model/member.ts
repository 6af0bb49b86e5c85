/** A member as it was when it was read. Its entries for message types are read separately. */
export interface Member {
  gid: number;
  address: string;
  /** Bits of member-permissions.ts. */
  permissions: number;
  /** Bits of rights.ts. */
  rights: number;
  /** Its place in the order of joining. */
  joinNumber: number;
  joinedAt: Date;
  updatedAt: Date;
}

/** A member by its group and address. */
export interface MemberKey {
  gid: number;
  address: string;
}
