/** A JSON object whose fields have not been checked yet. */
export type Fields = Record<string, unknown>;

/** The header of a Jupyter message. */
export interface Header {
  msg_id: string;
  msg_type: string;
  session: string;
  username: string;
  date: string;
  version: string;
  /** The subshell that a request is for; without one the main shell serves it. */
  subshell_id?: string | null;
}

/** A message of the Jupyter protocol as it arrives or leaves, without its signature. */
export interface Message {
  /** Routing prefix: the peer's identity on ROUTER sockets, the topic on IOPub. */
  identities: Buffer[];
  header: Header;
  /** Header of the request that this message answers; empty when there is none. */
  parent: Header | Record<string, never>;
  metadata: Fields;
  content: Fields;
  buffers: Buffer[];
}
