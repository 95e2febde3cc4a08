"""The way to storage: admission, gathering off the device, upload, under a byte budget."""
