//===- Statistics.h - what calibration measures -----------------*- C++ -*-===//
#ifndef ANYBIT_LIB_QUANTIZE_STATISTICS_H
#define ANYBIT_LIB_QUANTIZE_STATISTICS_H

#include "Calibrate.h"

namespace anybit::quantize {

/// Moments of each channel over the samples that are not held out.
Moments momentsOf(const Batch &batch, const ChannelShape &shape);

/// The values of `now` on the samples that are not held out, and what `later` counted.
Histogram histogramOf(llvm::ArrayRef<const Batch *> now, llvm::ArrayRef<const Histogram *> later = {});

/// Signal to quantization noise in dB; 300 stands for no noise.
double sqnrOf(const Histogram &histogram, const SiteChoice &choice);
double sqnrOf(llvm::ArrayRef<float> values, llvm::ArrayRef<float> coded);

/// The share of a channel's variance that `choice` loses, at most 1, as the mean of the channels of `batch` (dimension
/// 1); of `functions` of the codes, as for searchSite(). 0 for tensors without other dimensions.
double channelLoss(const Batch &batch, const Histogram &histogram, const SiteChoice &choice,
                   const FunctionValues &functions);

/// Fourth moment over squared variance; 3 for a normal distribution, 0 where all values are equal.
double kurtosisOf(llvm::ArrayRef<float> values);

} // namespace anybit::quantize

#endif // ANYBIT_LIB_QUANTIZE_STATISTICS_H
