/** What a peer sent cannot be read as the protocol it should speak, or exceeds what is held of it. */
export class ProtocolError extends Error {
  override readonly name: string = 'ProtocolError';
}
