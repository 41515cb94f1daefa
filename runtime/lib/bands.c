/* The band mix of weights.h (numerics N3). Every layout is a set of planes whose rows are lists of equal segments;
   Haar mixes two rows at a time, db2 a whole plane. */
#include "anybit/weights.h"

#include "clones.h"

#include <stddef.h>
#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* Element (row, column) of a plane lies at base + (row / rows_inner) * outer_stride + (row % rows_inner) *
   inner_stride + (column / segment) * segment_stride + column % segment. */
typedef struct plane {
  int64_t rows, columns;
  int64_t rows_inner, outer_stride, inner_stride;
  int64_t segment, segment_stride;
} plane;

static const float *row_of(const plane *p, const float *base, int64_t row) {
  return base + row / p->rows_inner * p->outer_stride + row % p->rows_inner * p->inner_stride;
}

static inline void gather_segments(const float *from, int64_t segments, int64_t segment, int64_t stride, float *to) {
  for (int64_t i = 0; i < segments; ++i)
    memcpy(to + i * segment, from + i * stride, (size_t)segment * sizeof(float));
}

static inline void scatter_segments(const float *from, int64_t segments, int64_t segment, int64_t stride, float *to) {
  for (int64_t i = 0; i < segments; ++i)
    memcpy(to + i * stride, from + i * segment, (size_t)segment * sizeof(float));
}

/* The constant lengths turn the copies into moves: they are the kernels that real networks have. */
static void gather(const plane *p, const float *row, int64_t segments, float *to) {
  if (p->segment == 1)
    gather_segments(row, segments, 1, p->segment_stride, to);
  else if (p->segment == 3)
    gather_segments(row, segments, 3, p->segment_stride, to);
  else
    gather_segments(row, segments, p->segment, p->segment_stride, to);
}

static void scatter(const plane *p, const float *from, int64_t segments, float *row) {
  if (p->segment == 1)
    scatter_segments(from, segments, 1, p->segment_stride, row);
  else if (p->segment == 3)
    scatter_segments(from, segments, 3, p->segment_stride, row);
  else
    scatter_segments(from, segments, p->segment, p->segment_stride, row);
}

/* Own, column, row and diagonal neighbour, in this order (numerics N3). */
static inline float mix(const float t[4], float own, float column, float row, float diagonal) {
  return ((t[0] * own + t[1] * column) + t[2] * row) + t[3] * diagonal;
}

/* Mixes `columns` columns of two rows; a last odd column has the neighbour 0. */
ANYBIT_VECTOR_CLONES
static void mix_rows(const float factors[4], const float *restrict x, const float *restrict y, int64_t columns,
                     float *restrict to_x, float *restrict to_y) {
  const float t[4] = {factors[0], factors[1], factors[2], factors[3]};
  int64_t i = 0;
  for (; i + 1 < columns; i += 2) {
    float p = x[i], q = x[i + 1], r = y[i], s = y[i + 1];
    to_x[i] = mix(t, p, q, r, s);
    to_x[i + 1] = mix(t, q, p, s, r);
    to_y[i] = mix(t, r, s, p, q);
    to_y[i + 1] = mix(t, s, r, q, p);
  }
  if (i == columns)
    return;
  to_x[i] = mix(t, x[i], 0.0f, y[i], 0.0f);
  to_y[i] = mix(t, y[i], 0.0f, x[i], 0.0f);
}

/* Columns that are mixed at a time; even, so that no 2x2 block is cut. */
enum { kStrip = 512 };
static const float kZeroRow[kStrip];

/* Rows whose elements lie side by side: no staging. */
static void mix_pair_direct(const float t[4], int64_t columns, const float *x, const float *y, float *to_x,
                            float *to_y) {
  float dropped[kStrip];
  for (int64_t first = 0; first < columns; first += kStrip) {
    int64_t width = columns - first < kStrip ? columns - first : kStrip;
    mix_rows(t, x + first, y ? y + first : kZeroRow, width, to_x + first, y ? to_y + first : dropped);
  }
}

/* Rows of short segments (at most kStrip / 2 long) are staged, an even number of segments at a time. */
static void mix_pair_staged(const plane *p, const float t[4], const float *x, const float *y, float *to_x,
                            float *to_y) {
  float from_x[kStrip], from_y[kStrip], mixed_x[kStrip], mixed_y[kStrip];
  if (!y)
    memset(from_y, 0, sizeof from_y);
  int64_t segments = p->columns / p->segment, step = kStrip / p->segment & ~(int64_t)1;
  for (int64_t first = 0; first < segments; first += step) {
    int64_t count = segments - first < step ? segments - first : step, offset = first * p->segment_stride;
    gather(p, x + offset, count, from_x);
    if (y)
      gather(p, y + offset, count, from_y);
    mix_rows(t, from_x, from_y, count * p->segment, mixed_x, mixed_y);
    scatter(p, mixed_x, count, to_x + offset);
    if (y)
      scatter(p, mixed_y, count, to_y + offset);
  }
}

/* Rows of segments too long for the staging, element by element. */
static void mix_pair_long(const plane *p, const float t[4], const float *x, const float *y, float *to_x, float *to_y) {
  for (int64_t c = 0; c < p->columns; c += 2) {
    int64_t at = c / p->segment * p->segment_stride + c % p->segment;
    int64_t next = (c + 1) / p->segment * p->segment_stride + (c + 1) % p->segment;
    int whole = c + 1 < p->columns;
    float from_x[2] = {x[at], whole ? x[next] : 0.0f}, from_y[2] = {0.0f, 0.0f}, mixed_x[2], mixed_y[2];
    if (y) {
      from_y[0] = y[at];
      from_y[1] = whole ? y[next] : 0.0f;
    }
    mix_rows(t, from_x, from_y, 2, mixed_x, mixed_y);
    to_x[at] = mixed_x[0];
    if (whole)
      to_x[next] = mixed_x[1];
    if (y)
      to_y[at] = mixed_y[0];
    if (y && whole)
      to_y[next] = mixed_y[1];
  }
}

static void mix_plane_haar(const plane *p, const float t[4], const float *in, float *out) {
  for (int64_t row = 0; row < p->rows; row += 2) {
    const float *x = row_of(p, in, row), *y = row + 1 < p->rows ? row_of(p, in, row + 1) : NULL;
    float *to_x = out + (x - in), *to_y = y ? out + (y - in) : NULL;
    if (p->segment == p->columns)
      mix_pair_direct(t, p->columns, x, y, to_x, to_y);
    else if (p->segment <= kStrip / 2)
      mix_pair_staged(p, t, x, y, to_x, to_y);
    else
      mix_pair_long(p, t, x, y, to_x, to_y);
  }
}

static const float kDb2[2][4] = {
    {-0.12940952255126037f, 0.2241438680420134f, 0.8365163037378079f, 0.48296291314453414f},
    {-0.48296291314453414f, 0.8365163037378079f, -0.2241438680420134f, -0.12940952255126037f},
};

/* One periodized line of even `length` elements `stride` apart: low half, then high half. Coefficient k reads the
   elements 2k+2, 2k+1, 2k, 2k-1 in this order. */
static void analyse_line(const float *in, float *out, int64_t length, int64_t stride) {
  for (int64_t band = 0; band < 2; ++band)
    for (int64_t k = 0; k < length / 2; ++k) {
      const float *h = kDb2[band];
      float a = in[(2 * k + 2) % length * stride], b = in[(2 * k + 1) * stride];
      float c = in[2 * k * stride], d = in[(2 * k + length - 1) % length * stride];
      out[(band * (length / 2) + k) * stride] = ((h[0] * a + h[1] * b) + h[2] * c) + h[3] * d;
    }
}

/* The transpose of analyse_line: the low band's two terms first, the later coefficient first in each. */
static void synthesise_line(const float *in, float *out, int64_t length, int64_t stride) {
  int64_t half = length / 2;
  const float *low = in, *high = in + half * stride;
  for (int64_t k = 0; k < half; ++k) {
    int64_t here = k * stride, before = (k + half - 1) % half * stride, after = (k + 1) % half * stride;
    out[2 * k * stride] =
        ((kDb2[0][2] * low[here] + kDb2[0][0] * low[before]) + kDb2[1][2] * high[here]) + kDb2[1][0] * high[before];
    out[(2 * k + 1) * stride] =
        ((kDb2[0][3] * low[after] + kDb2[0][1] * low[here]) + kDb2[1][3] * high[after]) + kDb2[1][1] * high[here];
  }
}

typedef void (*line_function)(const float *, float *, int64_t, int64_t);

static void each_line(line_function line, const float *in, float *out, int64_t lines, int64_t line_stride,
                      int64_t length, int64_t stride) {
  for (int64_t i = 0; i < lines; ++i)
    line(in + i * line_stride, out + i * line_stride, length, stride);
}

/* Rows are analysed before columns and synthesised after them. `scratch`: two padded planes. */
static void mix_plane_db2(const plane *p, const float alpha[4], const float *in, float *out, float *scratch) {
  int64_t rows = p->rows + p->rows % 2, columns = p->columns + p->columns % 2, segments = p->columns / p->segment;
  float *a = scratch, *b = scratch + rows * columns;
  memset(a, 0, (size_t)(rows * columns) * sizeof(float));
  for (int64_t row = 0; row < p->rows; ++row)
    gather(p, row_of(p, in, row), segments, a + row * columns);
  each_line(analyse_line, a, b, rows, columns, columns, 1);
  each_line(analyse_line, b, a, columns, 1, rows, columns);
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      a[row * columns + column] *= alpha[(row >= rows / 2) + 2 * (column >= columns / 2)];
  each_line(synthesise_line, a, b, columns, 1, rows, columns);
  each_line(synthesise_line, b, a, rows, columns, columns, 1);
  for (int64_t row = 0; row < p->rows; ++row)
    scatter(p, a + row * columns, segments, out + (row_of(p, in, row) - in));
}

static void mix_plane(const plane *p, uint32_t wavelet, const float alpha[4], const float *in, float *out,
                      float *scratch) {
  if (wavelet == ANYBIT_DB2) {
    mix_plane_db2(p, alpha, in, out, scratch);
    return;
  }
  const float t[4] = {
      (((alpha[0] + alpha[1]) + alpha[2]) + alpha[3]) / 4.0f,
      (((alpha[0] + alpha[1]) - alpha[2]) - alpha[3]) / 4.0f,
      (((alpha[0] - alpha[1]) + alpha[2]) - alpha[3]) / 4.0f,
      (((alpha[0] - alpha[1]) - alpha[2]) + alpha[3]) / 4.0f,
  };
  mix_plane_haar(p, t, in, out);
}

void anybit_mix_bands(const anybit_weight_shape *shape, uint32_t layout, uint32_t wavelet, const float alpha[4],
                      const float *in, float *out, float *scratch) {
  int64_t count = anybit_weight_count(shape), outputs = shape->outputs / shape->groups, inputs = shape->inputs;
  int64_t height = shape->kernel_height, width = shape->kernel_width, taps = height * width, length = inputs * taps;
  if (count == 0)
    return;
  if (layout == ANYBIT_LAYOUT_NONE || (layout == ANYBIT_LAYOUT_SPATIAL && taps == 1)) {
    memcpy(out, in, (size_t)count * sizeof(float));
    return;
  }
  plane p = {outputs, length, 1, length, 0, length, 0};
  int64_t planes = shape->groups, plane_stride = outputs * length;
  if (layout == ANYBIT_LAYOUT_TILE && taps > 1)
    p = (plane){outputs * height, inputs * width, height, length, width, width, taps};
  if (layout == ANYBIT_LAYOUT_PLANE && taps > 1)
    p = (plane){outputs, inputs, 1, length, 0, 1, taps};
  if (layout == ANYBIT_LAYOUT_SPATIAL) {
    p = (plane){height, width, 1, width, 0, width, 0};
    planes = count / taps;
    plane_stride = taps;
  }
  int64_t positions = layout == ANYBIT_LAYOUT_PLANE ? taps : 1;
  for (int64_t i = 0; i < planes; ++i)
    for (int64_t position = 0; position < positions; ++position) {
      int64_t offset = i * plane_stride + position;
      mix_plane(&p, wavelet, alpha, in + offset, out + offset, scratch);
    }
}
