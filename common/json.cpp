// The one place where Boost.JSON is compiled: its headers elsewhere only declare.
#include <boost/json/src.hpp>
