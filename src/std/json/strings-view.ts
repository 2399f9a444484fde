/** As much of a document as is needed to compare strings in it: where each lies in the bytes. Nodes are indices of its tape. */
export interface StringsView {
  readonly bytes: Uint8Array;
  start(node: number): number;
  end(node: number): number;
  /** The node after this value and everything in it. */
  next(node: number): number;
  /** Hash of a key's text, the same for every spelling of it. */
  keyHash(key: number): number;
  textEquals(node: number, text: string): boolean;
  text(node: number): string;
}
