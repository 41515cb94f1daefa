#include "anybit/weights.h"
