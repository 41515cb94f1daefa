#ifndef ANYBIT_LIB_DATA_NPYFORMAT_H
#define ANYBIT_LIB_DATA_NPYFORMAT_H

#include "anybit/Data/Array.h"

namespace anybit::data {

/// Everything before the elements of a `.npy` file of this array: format 1.0, C order, the machine's byte order.
std::string npyHeaderText(const Array &array);

} // namespace anybit::data

#endif // ANYBIT_LIB_DATA_NPYFORMAT_H
