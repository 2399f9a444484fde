/** An error the vendor answers with, before a dialect gives it its shape. */
export interface VendorError {
  readonly status: number;
  readonly message: string;
  readonly code: string | null;
  readonly param: string | null;
}

export const vendorError = (
  status: number,
  message: string,
  code: string | null = null,
  param: string | null = null,
): VendorError => ({ status, message, code, param });

export const isVendorError = (value: object): value is VendorError => 'status' in value && 'message' in value;
