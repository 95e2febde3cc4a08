"""Parts of benchmarks.gpu. Each takes the device, so that tests run it at toy size on the CPU."""
